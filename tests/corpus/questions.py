"""What is asked of the handbook, and what stands in a chunk that answers it: in Chinese, in English."""

QUESTIONS: dict[str, tuple[str, ...]] = {
    "公司年假政策有哪些?": ("带薪休假", "paid holiday"),
    "How many days of annual leave do I have?": ("带薪休假", "paid holiday"),
    "How many vacation days do I have?": ("带薪休假", "paid holiday"),
    "生病了要请假怎么办?": ("医院的诊断证明", "before nine o'clock"),
    "What must I do when I am sick?": ("医院的诊断证明", "before nine o'clock"),
    "如何报销出差的机票?": ("差旅报销单", "expense report"),
    "How do I get my travel expenses reimbursed?": ("差旅报销单", "expense report"),
    "如何配置 SSL 证书?": ("ssl_certificate_key", "intermediate certificate"),
    "How do I set up an SSL certificate?": ("ssl_certificate_key", "intermediate certificate"),
    "护照快过期了怎么办?": ("护照到期前一年", "one year before it expires"),
    "How do I renew my passport?": ("护照到期前一年", "one year before it expires"),
}
