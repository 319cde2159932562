"""What the processes of a deployment share in Redis or Valkey: only ever a cache or a counter."""
