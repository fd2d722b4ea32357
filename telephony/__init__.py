"""The network edge: how a call arrives, is controlled, and leaves."""
