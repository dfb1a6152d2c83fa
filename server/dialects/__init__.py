"""What the bytes of a message mean: plain and native. Pure code."""
