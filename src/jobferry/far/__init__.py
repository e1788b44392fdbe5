"""What runs functions over there: sent along, so for any Python from 3.8 on, and with no other imports.

On the other side this folder is a package of its own, ``jobferry_far``; therefore its imports are relative.
"""
