"""A sweep whose driver runs on a cluster's head: started there, followed and fetched from here.

`choose_place` decides where the driver runs. On the head a run is a folder (`runs`), `driver` keeps
its process, and `python -m grid.cluster.remote` answers over ssh. On this machine `head` asks it,
`bundle` uploads the files that the sweep names, `mirror` and `row_sync` copy rows, `follow` shows
the driver's progress, and `client` is what the commands call. A driver outlives this machine's
connection.
"""
