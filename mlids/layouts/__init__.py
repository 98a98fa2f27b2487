"""What lines look like: the shapes that several log formats share."""
