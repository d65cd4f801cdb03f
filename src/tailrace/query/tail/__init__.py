"""Live tail: frames of the queue, decoded once, to any number of followers.

    feed -> hub -> rows -> selector and pipeline of each query -> parcels -> outlet of each follower
                                                                                  |
                          history of a new follower, up to its first frame -> websocket

While somebody follows, the hub reads frames from the feed of the queue, has the store decode a
batch of them at once, and gives every row to each query that is followed, once, however many
followers it has. What passes is encoded once and put into the outlets, which are bounded: who does
not read in time loses the oldest lines, and is told.
"""
