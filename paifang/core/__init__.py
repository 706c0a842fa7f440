"""The ground floor. It knows no business and imports no module."""
