"""From alerts that changed to notices that arrived."""
