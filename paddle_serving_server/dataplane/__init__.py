"""What happens to every call, whatever protocol carried it: deadline, counting, log, variants, errors. Once, here."""
