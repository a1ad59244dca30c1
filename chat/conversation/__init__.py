"""What a person does with messages besides sending one: edit, versions, queue, delete, titles."""
