"""Files that hold many cases: arrays, Parquet and Arrow shards, tar shards, conversions."""
