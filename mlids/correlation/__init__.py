"""What correlators are made of: conditions on events, ATT&CK tactics, risk, trails of attackers."""
