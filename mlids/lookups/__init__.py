"""What is asked for by DNS: distinct names lately (`sightings`), and when they tunnel (`watch`)."""
