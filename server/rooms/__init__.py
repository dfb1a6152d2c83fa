"""Rooms and members on this worker: state without I/O or clock."""
