"""What every room knows of the Hugging Face hub: names there, and what its errors mean."""
