"""Room traffic between workers: frames, links and the mesh."""
