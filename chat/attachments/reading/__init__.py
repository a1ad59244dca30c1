"""Programs that read one file each, in processes of their own: files may be made to break whoever reads them.

    python -I -c "..." < file     see `chat.attachments.child`, which starts them

They know nothing of the rest of Lerix, may write no file, and have limits of memory and processor time from the system.
"""
