"""Detection quality on labelled cases, in the folder that MLIDS_CORPORA names."""
