"""What training reads, batch by batch."""
