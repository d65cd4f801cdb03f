"""Names of invented people, and words of invented systems."""

from __future__ import annotations

FIRST = [
    "Joe", "Jane", "Amara", "Bjorn", "Chloe", "Dmitri", "Elena", "Farid", "Greta", "Hiro",
    "Ingrid", "Jamal", "Kavya", "Liam", "Mei", "Nadia", "Omar", "Priya", "Quentin", "Rosa",
    "Stefan", "Tariq", "Uma", "Viktor", "Wanda", "Ximena", "Yusuf", "Zoe", "Anders", "Beatriz",
    "Carlos", "Daria", "Emil", "Fatima", "Gustav", "Helena", "Ivan", "Jorge", "Katja", "Leila",
    "Marek", "Nora", "Oscar", "Pilar", "Rafael", "Sofia", "Tomas", "Vera",
]  # fmt: skip
LAST = [
    "Schmoe", "Doe", "Okafor", "Lindqvist", "Moreau", "Volkov", "Castellano", "Haddad",
    "Baumann", "Tanaka", "Solberg", "Whitfield", "Raman", "Gallagher", "Zhang", "Kovacs",
    "Farouk", "Subramanian", "Lefebvre", "Delgado", "Novak", "Rahman", "Iyer", "Petrov",
    "Kowalska", "Herrera", "Yilmaz", "Papadakis", "Nielsen", "Cardoso", "Mendez", "Ivanova",
    "Bergman", "Karimi", "Holm", "Dubois", "Horvat", "Alvarez", "Richter", "Navarro",
    "Marchetti", "Olsen", "Santos", "Fontaine", "Kaplan", "Vasquez",
]  # fmt: skip
SERVICES = [
    "payments", "checkout", "orders", "cart", "catalogue", "identity", "billing", "shipping",
    "search", "gateway", "ledger", "notify", "stock", "pricing", "reviews", "sessions",
    "exports", "imports", "reports", "fraud",
]  # fmt: skip
HOSTS = [f"{room}-{n:02d}" for room in ("web", "app", "db", "edge", "job") for n in range(1, 9)]
LOGGERS = [
    "com.example.shop.PaymentService", "com.example.shop.web.OrderController",
    "org.example.batch.Importer", "shop.payments.api", "shop.views", "django.request",
    "billing.tasks", "api.middleware", "core.auth", "jobs.mailer",
]  # fmt: skip
FILES = [
    "billing.py",
    "handler.go",
    "server.go",
    "views.py",
    "order_service.rb",
    "pay.ts",
    "Checkout.java",
]
PATHS = [
    "/api/v1/orders", "/api/v2/payments", "/checkout", "/cart", "/account/settings", "/login",
    "/search", "/health", "/customers", "/internal/charge", "/webhooks/orders",
    "/static/app.js",
]  # fmt: skip
AGENTS = (
    "curl/8.9.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "kube-probe/1.31",
)
