"""The engine of E3, plain synchronous Python.

Layers and their one direction of import are held by ``tests/unit/test_architecture_imports.py``.
"""
