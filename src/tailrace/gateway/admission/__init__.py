"""How much may enter: limits of tenants and their services, and what overload sheds."""
