"""What the project promises about speed, as ratios measured in one run: `make bench`."""
