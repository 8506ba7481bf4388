"""A sweep whose driver runs on a cluster's head: started there, followed and fetched from here.

`where` says where the driver is to run. A run is a folder on the head (`runs`); `drive` keeps its
driver there, and `python -m grid.cluster.remote` is how it is asked over ssh (`head`). Here
`bundle` has the files that the sweep names brought along, `mirror` copies rows there and back,
`follow` tells what the driver says, and `client` has what the commands do.
Closing this machine harms no driver.
"""
