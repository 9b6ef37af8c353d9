"""What a face expresses: fast exact inference and the joint opinion of the readers."""
