"""Who may do what: users and their roles, sign-in, sessions, and the audit of what they did."""
