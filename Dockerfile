# One image for the site, the worker and the migration: docker-compose.yml tells them apart.
FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# DejaVu has a sign for every script that names are written in here, Chinese and Japanese apart:
# add fonts-noto-cjk for these.
RUN apt-get update && apt-get install --yes --no-install-recommends fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*

# Nobody's home, no shell: the process needs to write nowhere but to /tmp and the database.
RUN useradd --system --no-create-home --shell /usr/sbin/nologin schoolmarks
WORKDIR /app

COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt

COPY . .
# The settings insist on these in production; collecting files uses none of them.
RUN SECRET_KEY=only-while-the-image-is-being-built-0123456789 ALLOWED_HOSTS=localhost \
    DATABASE_URL=postgresql:///unused \
    python manage.py collectstatic --no-input --verbosity 0

USER schoolmarks
EXPOSE 8000
# /dev/shm: a worker's heartbeat must not wait for a disk. The access log goes to the container's.
CMD ["gunicorn", "schoolmarks.wsgi", "--bind=0.0.0.0:8000", "--worker-class=gthread", \
     "--workers=2", "--threads=4", "--worker-tmp-dir=/dev/shm", "--access-logfile=-"]
