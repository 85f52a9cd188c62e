"""The third door: files. Drop folder and SFTP; CSV, XLSX and NCCIS XML, read as the partner's mapping says."""
