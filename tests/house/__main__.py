"""`make picture` draws docs/house.svg from the imports and the layers in pyproject.toml."""

from tests.house.picture import FILE, draw

draw(FILE)
print(f"{FILE} is drawn.")
