"""The command line: a file a verb, the console, batches, the doctor."""
