"""Reports over the stored events: each as data (``report``) and for people (``document``)."""
