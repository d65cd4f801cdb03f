"""Room on the disks: how full they are, what has to wait for it, when they will be full."""
