"""Whether estimates from sampled rows are right: compared with what the archive counts."""
