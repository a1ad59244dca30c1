"""The addresses of `chat.history`."""

from django.urls import path

from chat.history import views

urlpatterns = [
    path("history/older/", views.older, name="history-older"),
    path("history/archive/", views.archive, name="history-archive"),
    path("history/search/", views.look, name="history-search"),
    path("history/folders/", views.destinations, name="history-folders"),
    path("history/change/", views.change, name="history-change"),
    path("chats/<uuid:chat_id>/options/", views.options, name="options"),
    path("chats/<uuid:chat_id>/find/", views.find, name="find"),
    path("folders/new/", views.new_folder, name="folder-new"),
    path("folders/<int:folder_id>/rename/", views.rename_folder, name="folder-rename"),
    path("folders/<int:folder_id>/options/", views.folder_options, name="folder-options"),
    path("folders/<int:folder_id>/opened/", views.open_folder, name="folder-opened"),
    path("folders/<int:folder_id>/delete/", views.delete_folder, name="folder-delete"),
    path("folders/<int:folder_id>/restore/", views.restore_folder, name="folder-restore"),
]
