"""What keeps false alarms out of the store, and never out of the account."""
