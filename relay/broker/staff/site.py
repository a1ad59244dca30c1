"""The admin's site."""

from django.contrib.admin import AdminSite

from relay.broker.models import Account, AuditEntry, Counter, Device, Plan
from relay.broker.staff.forms import StaffForm
from relay.broker.staff.pages import AccountPages, AuditPages, DevicePages, LimitPages, PlanPages


class Site(AdminSite):
    """Django's admin for the broker's staff."""

    site_title = "Lerix broker"
    site_header = "Lerix account broker"
    index_title = "Accounts and operation"
    site_url = None
    enable_nav_sidebar = False
    login_form = StaffForm


site = Site()
site.register(Account, AccountPages)
site.register(Plan, PlanPages)
site.register(Device, DevicePages)
site.register(Counter, LimitPages)
site.register(AuditEntry, AuditPages)
