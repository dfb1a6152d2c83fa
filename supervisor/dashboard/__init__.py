"""What people look at: one snapshot of the cluster."""
