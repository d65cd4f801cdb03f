"""HTTP in, frames out: routes, limits on bodies, authentication, errors in each protocol's form."""
