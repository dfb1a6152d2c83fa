"""What is published in shared memory: the scoreboard and the interest table."""
