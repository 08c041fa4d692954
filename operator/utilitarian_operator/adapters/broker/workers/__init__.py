"""What the Celery workers behind a broker say of themselves, over remote control."""
