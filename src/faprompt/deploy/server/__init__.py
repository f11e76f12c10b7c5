"""The desk: an HTTP service and its page, for people who inspect (``faprompt serve``).

A request walks through the modules in this order: ``guards`` (who may ask, for how long, how much),
``routes`` (one module per resource), ``uploads`` (bodies to files), ``queue`` and ``worker`` (one
thread owns the models), ``store`` and ``folder`` (rows and pictures on the disk).
"""
