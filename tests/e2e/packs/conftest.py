"""The packs here are loaded by the hosts that tests start; pytest itself must not import them."""

collect_ignore_glob = ["*"]
