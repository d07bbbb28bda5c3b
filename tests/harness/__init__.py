"""What every black-box test shares: a server process, a raw signed client, and small helpers."""
