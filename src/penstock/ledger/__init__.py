"""The ledger: the durable record of slots, generations and runs. Pure: it decides, a store keeps (see `store`)."""
