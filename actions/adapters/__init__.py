"""Back ends behind the BackEnd port."""
