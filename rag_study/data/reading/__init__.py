"""Reading other people's files: plain, packed, Parquet, the hub; fields checked as they come."""
