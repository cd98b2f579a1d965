"""What a method learns from: photos, pictures, points, shapes, and classes of them."""
