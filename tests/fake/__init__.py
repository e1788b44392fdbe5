"""The whole of Jobferry on a fake cluster: no network, no waiting."""
