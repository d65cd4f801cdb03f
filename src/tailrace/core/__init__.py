"""What every room shares: frame, contracts, errors, limits, clock, own metrics and logs."""
