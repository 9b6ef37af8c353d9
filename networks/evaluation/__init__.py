"""How well it reads and performs: tables, judges, blind sheets, performances, benchmarks."""
