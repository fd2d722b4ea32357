"""Load runs: many callers from several processes, measured from their audio, one report."""
